"""What operators see of Fogbell: its metrics, written down from the code that counts them."""
