"""Files of other people's programs into pictures, films and records."""
