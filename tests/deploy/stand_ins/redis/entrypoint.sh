#!/bin/bash
# redis:7 is built to listen everywhere without a password; Debian's has to be told.
exec "$@" --bind '*' --protected-mode no --dir /data
