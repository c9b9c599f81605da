"""The jail that foreign code runs in, and the broker that talks to it."""
