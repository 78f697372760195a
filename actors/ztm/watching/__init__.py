"""Taking in what the mesh shows: two sources of the same messages, compared with each other."""
