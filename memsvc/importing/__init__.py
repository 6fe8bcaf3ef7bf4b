"""Files of other programs -> exchanges, with a report of what was taken and what was left out. A file per format."""
