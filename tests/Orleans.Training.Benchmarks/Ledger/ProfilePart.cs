namespace Orleans.Training.Benchmarks;

internal static class ProfilePart
{
    public static Task Run(LedgerPlan plan) => Task.CompletedTask;
}
