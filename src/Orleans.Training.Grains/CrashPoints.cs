namespace Orleans.Training.Grains;

/// <summary>
/// Named places at which a crash would hurt most. Drills set <c>OTRAIN_CRASH_AT</c> to <c>name</c> or <c>name:n</c>, and the process kills itself the
/// n-th time that it comes there, without a word to anyone, as a power cut would. Nothing happens when the variable is not set.
/// </summary>
public static class CrashPoints
{
    private static readonly string? Name;
    private static int _left;

    static CrashPoints()
    {
        var parts = Environment.GetEnvironmentVariable("OTRAIN_CRASH_AT")?.Split(':');
        Name = parts?[0];
        _left = parts?.Length > 1 && int.TryParse(parts[1], out var count) ? count : 1;
    }

    /// <summary>Crashes here when the drill asks for it.</summary>
    public static void Reach(string name)
    {
        if (Name is null || Name != name || Interlocked.Decrement(ref _left) != 0) return;
        using var self = System.Diagnostics.Process.GetCurrentProcess();
        self.Kill();
        Thread.Sleep(Timeout.Infinite);
    }
}
