using Orleans.Training.Benchmarks;

return args switch
{
    ["aggregation", .. var options] => AggregationBenchmark.Run(options),
    ["growth", .. var options] => await GrowthBenchmark.Run(options),
    ["lanes"] => LanesBenchmark.Run(),
    ["ledger", .. var options] => await LedgerCommand.Run(options),
    ["overhead"] => await OverheadBenchmark.Run(),
    ["evaluate", "privacy", .. var options] => await PrivacyCommand.Run(options),
    ["evaluate", "robustness", .. var options] => await RobustnessCommand.Run(options),
    _ => Usage(),
};

static int Usage()
{
    Console.Error.WriteLine($"use: ./run bench aggregation [--grid] | ./run bench growth [--entries N] | ./run bench lanes | {LedgerPlan.Usage} | ./run bench overhead | {PrivacyCommand.Usage} | {RobustnessPlan.Usage}");
    return 2;
}
