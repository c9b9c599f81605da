"""The board as a folder of files that needs no server and no script: `repro export site`."""
