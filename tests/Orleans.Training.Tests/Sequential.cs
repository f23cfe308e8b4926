// Clusters, databases and timers share two processors with tests that use all of them: one after the other, none starves.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
