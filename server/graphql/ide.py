def is_asked_for(request):
    return False


def page(caller, *, development):
    raise AssertionError
