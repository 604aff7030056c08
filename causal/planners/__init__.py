"""Ask what to do next, tell what came of it: campaigns that may stop and go on at any step."""
