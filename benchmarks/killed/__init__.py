"""What is killed, one piece of work a file; a new file is found without being listed anywhere."""
