# my copy of the given file
raise RuntimeError('this copy of utils.py must not be used')
