"""What a deployment needs: looked at before the first one, and afterwards."""
