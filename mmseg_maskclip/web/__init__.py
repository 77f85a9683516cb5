"""The page of ``maskclip serve``: a picture, words and the labels, in a browser of this machine."""
