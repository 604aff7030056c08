"""What a picture leaves uncertain: labels, flips, missing sites, margins, overlapping columns."""
