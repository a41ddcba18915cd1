"""What goes wrong for a daemon and its data: damaged rows, full disks, kills; and what must be true afterwards."""
