"""What the modules that profiles name are for: the mount plans of profiles and of sessions."""
