#!/bin/sh
# podbeat with the folders of this package. What is given on the command line comes after these, and holds.
exec /usr/lib/podbeat/podbeat --path.home /usr/lib/podbeat --path.config /etc/podbeat --path.data /var/lib/podbeat --path.logs /var/log/podbeat "$@"
