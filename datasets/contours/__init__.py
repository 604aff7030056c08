"""Sub-pixel contours of one frame: seeds, the tanh fit along the normals, the wall's width."""
