using Orleans.Training.Benchmarks;

return args switch
{
    ["ledger"] => await LedgerBenchmark.Run(),
    ["overhead"] => await OverheadBenchmark.Run(),
    _ => Usage(),
};

static int Usage()
{
    Console.Error.WriteLine("use: ./run bench ledger | ./run bench overhead");
    return 2;
}
