#!/bin/sh
# Pulls the images of others that compose.yaml names and writes `.env`, in which each is named by its digest. Run it when
# you want other versions, try them, and keep `.env` with your deployment.
set -eu
cd "$(dirname "$0")"
new=$(mktemp .env.XXXXXX)
trap 'rm -f "$new"' EXIT
sed -n 's/.*${\([A-Z]*_IMAGE\):-\([^}]*\)}.*/\1 \2/p' compose.yaml | while read -r name image; do
    docker pull --quiet "$image" >&2
    echo "$name=$(docker image inspect --format '{{index .RepoDigests 0}}' "$image")"
done >"$new"
mv "$new" .env
cat .env
