"""`make demo`: the main job on three Docker hosts, chapter by chapter. Each fact that it shows is checked."""
