"""The face API of DeepStack and CodeProject.AI: `/v1/vision/face`."""
