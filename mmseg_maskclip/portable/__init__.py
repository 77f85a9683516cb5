"""What predicts without torch and mmcv: pictures, their results, exported models."""
