namespace Orleans.Training.Cli;

/// <summary>How the command ended.</summary>
internal static class ExitCode
{
    public const int Ok = 0;
    public const int CheckFailed = 1;
    public const int Usage = 2;
    public const int NotReachable = 3;
    public const int Interrupted = 130;
}
