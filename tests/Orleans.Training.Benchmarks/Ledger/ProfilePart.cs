namespace Orleans.Training.Benchmarks;

/// <summary>Where the processor time of a committed transaction goes in the four validator processes, and how far its parts are from what this machine could do at best.</summary>
internal static class ProfilePart
{
    private const int TransactionBytes = 421;
    // An entry of the log, and what stands in the journal of one.
    private const int EntryBytes = 160;

    public static async Task Run(LedgerPlan plan)
    {
        if (ForeignServer.Find("perf", "linux-perf") is not { } perf) return;
        var (cluster, _) = await ValidatorCluster.Start(StackProfile.Environment);
        await using var disposal = cluster;
        // The runtime compiles what is called often again, and better; that is to be over.
        await CommitPart.Saturate(cluster, TimeSpan.FromSeconds(plan.IsQuick ? 1 : 15));
        var time = TimeSpan.FromSeconds(Math.Max(3, plan.Seconds));
        var load = CommitPart.Saturate(cluster, time);
        // The load takes a second to begin.
        await Lines.Pass(TimeSpan.FromSeconds(1.5));
        var shares = await StackProfile.Record(perf, cluster.Validators.Select(validator => validator.Id), time - TimeSpan.FromSeconds(1));
        var result = await load;
        var each = 1e6 * result.Processor;
        Lines.Say($"profile: {result.PerSecond:F0} tx/s, {each:F0} µs CPU per transaction for all four, sampled with perf 997 times a second");
        foreach (var (part, share) in shares) Lines.Say($"  {part,-30} {share,6:P1} {share * each,7:F1} µs");
        await Compare(shares.ToDictionary(part => part.Part, part => part.Share * each), (double)result.Entries / result.Blocks);
    }

    private static async Task Compare(Dictionary<string, double> parts, double entriesOfBlock)
    {
        var folder = Directory.CreateTempSubdirectory("otrain-bench-").FullName;
        var (verification, tls) = (1e6 * PhysicalBounds.Verification(), 1e6 * await PhysicalBounds.Tls());
        var hashing = 1e6 * (PhysicalBounds.Hash(TransactionBytes) + PhysicalBounds.Hash(EntryBytes) + PhysicalBounds.Hash(64));
        var frame = (int)(entriesOfBlock * TransactionBytes);
        var (seconds, sync) = PhysicalBounds.Sync(folder, frame);
        Directory.Delete(folder, recursive: true);
        Lines.Say($"this machine: Ed25519 verification {verification:F1} µs CPU; SHA-256 {64 / PhysicalBounds.Hash(64) / 1e6:F0} MB/s of 64 bytes, {1e-9 * 1_000_000 / PhysicalBounds.Hash(1_000_000):F2} GB/s of a megabyte; append of {frame} bytes and fsync {1e3 * seconds:F2} ms, {1e6 * sync:F0} µs CPU, {1 / seconds:F0} a second; TLS 1.3 on loopback {1 / tls:F0} MB/s a processor, both ends");
        (string Name, string[] Parts, double Bound, string What)[] bounds =
        [
            ("signatures", ["signatures"], 4 * verification, "one check by each validator"),
            ("hashing", ["hashing"], 4 * hashing, "transaction, entry and one node of the tree, once by each validator"),
            ("journal and archive", ["journal and archive"], 4 * 2 * 1e6 * sync / entriesOfBlock, "two appends of the block by each validator"),
            ("links and all sockets", ["links: TLS", "links: frames and WebSockets", "sockets"], 6 * TransactionBytes * tls, "its bytes to three others by TLS, and once more in the block"),
        ];
        foreach (var (name, of, bound, what) in bounds.OrderByDescending(bound => bound.Parts.Sum(part => parts.GetValueOrDefault(part))))
        {
            var spent = of.Sum(part => parts.GetValueOrDefault(part));
            Lines.Say($"  {name}: {spent:F1} µs, at best {bound:F1} ({what}): factor {spent / bound:F1}");
        }

        var others = parts.Where(part => !bounds.Any(bound => bound.Parts.Contains(part.Key))).OrderByDescending(part => part.Value);
        Lines.Say($"  nothing in nature asks for the others: {string.Join(", ", others.Select(part => FormattableString.Invariant($"{part.Key} {part.Value:F1}")))}");
    }
}
