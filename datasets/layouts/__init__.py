"""Files that keep: channels and patch tables with their metadata, patches as simulation cells."""
