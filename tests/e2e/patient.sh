#!/bin/sh
# A command of the tests: OUTPUT TOKEN FOLDER says that it has begun, and waits to be released.
echo $$ >"$3/begun-$2"
until [ -e "$3/release-$2" ]; do
  sleep 0.05
done
echo "by token $2" >"$1"
