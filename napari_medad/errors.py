"""The one error a user can cause, and so the one every surface shows as a sentence."""


class MedadError(ValueError):
    """A problem the user can mend.

    The message is one sentence that names the file or field, says what is wrong and
    what to do. The command line prints it and exits with status 1, the viewer shows it
    in the dock; neither shows a traceback.
    """


class Cancelled(Exception):
    """The user asked long work to stop; it stopped, and left nothing half-written."""
