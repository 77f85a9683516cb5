"""Commands that convert data sets and weights from the form their authors publish."""
