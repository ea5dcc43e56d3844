"""What a PyTorch submission finds around it: data sets offline, the CPU for every device, stand-ins for tools."""
