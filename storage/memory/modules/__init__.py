"""Mount plans of profiles and of sessions, made from the modules that profiles name."""
