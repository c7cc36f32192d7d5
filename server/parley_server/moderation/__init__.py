"""What moderators see and what authors are told: the alert stream, and the words of a restriction."""
