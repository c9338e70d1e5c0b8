"""Names: containers find each other, answered on their own host from what the controller has told of the fabric."""
