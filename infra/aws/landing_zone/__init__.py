"""The parts of the landing zone on AWS, one file each."""
