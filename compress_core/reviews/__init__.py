"""May it go out: gates that were fixed beforehand, a verdict, and evidence that holds up in an audit."""
