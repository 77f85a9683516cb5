"""How the tiny CLIPs are made from pictures and captions of the embedded world."""
