"""Cloud Storage on a laptop: gcp-storage-emulator, made to keep the promises that Tidewheel leans on."""
