"""`amplifierd import` of other tools' files: finds them, reads their conversations, and writes new messages."""
