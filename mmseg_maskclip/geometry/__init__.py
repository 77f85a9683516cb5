"""Where the pixels of pictures, inputs and windows lie; NumPy alone."""
