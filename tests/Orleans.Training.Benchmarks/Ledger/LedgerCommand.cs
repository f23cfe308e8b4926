namespace Orleans.Training.Benchmarks;

/// <summary>
/// <c>./run bench ledger</c>: what four validator processes commit, how long it takes, what happens when one dies, and the same for other people's durable stores on the same machine in the same run.
/// </summary>
internal static class LedgerCommand
{
    public static async Task<int> Run(IReadOnlyList<string> arguments)
    {
        if (LedgerPlan.Parse(arguments) is not { } plan)
        {
            Console.Error.WriteLine($"use: {LedgerPlan.Usage}");
            return 2;
        }

        Lines.Say($"{Environment.ProcessorCount} processors for servers and clients; measurements of {plan.Seconds} s; CPU is user and system time from /proc, of the servers alone unless said otherwise");
        var standings = new List<Standing>();
        if (plan.Has("commits") || plan.Has("faults"))
        {
            var (cluster, ready) = await ValidatorCluster.Start();
            await using var disposal = cluster;
            Lines.Say($"four 'otrain validator run' processes, a folder and a journal each, synced before each vote, TLS 1.3 links on loopback; first start on empty folders, all at once: ready in {ready.Max(each => each.Seconds):F2} s, {ready.Average(each => each.ProcessorSeconds):F2} CPU-s each");
            if (plan.Has("commits")) standings.Add(await CommitPart.Run(cluster, plan));
            if (plan.Has("faults")) await FaultPart.Run(cluster, plan);
        }

        if (plan.Has("idle")) await IdlePart.Run(plan);
        if (plan.Has("micro")) await MicroPart.Run(plan);
        if (plan.Has("etcd") && await EtcdPart.Run(plan) is { } etcd) standings.Add(etcd);
        if (plan.Has("postgres") && await PostgresPart.Run(plan) is { } postgres) standings.Add(postgres);
        if (plan.Has("commits") && standings.Count > 1) Lines.Compare(standings);
        if (plan.Has("profile")) await ProfilePart.Run(plan);
        return 0;
    }
}
