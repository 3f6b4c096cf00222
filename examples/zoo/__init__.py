"""Six well-known architectures at their real size, one file each, with nothing but torch."""
