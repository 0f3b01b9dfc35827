"""A provider for the toy cloud, which is told in `waterflow_toycloud.emulator`."""
