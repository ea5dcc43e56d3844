"""Questions asked beside the student's objects: what a network is and does, how a training goes. They judge nothing."""
