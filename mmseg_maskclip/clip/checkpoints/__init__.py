"""CLIP weight files: reading any form of them, inspecting, converting, writing, downloading."""
