"""The guards that come with Bylaw. They use nothing but `bylaw.spec`, like anybody's plugin."""
