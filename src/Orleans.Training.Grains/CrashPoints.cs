namespace Orleans.Training.Grains;

/// <summary>
/// Named places at which a crash would hurt most (docs/spec/drills.md). Drills set <c>OTRAIN_CRASH_AT</c> to <c>name</c> or <c>name:n</c>, and the process kills itself
/// the n-th time that it comes there, without a word to anyone, as a power cut would. When <c>OTRAIN_CRASH_ONCE</c> names a file, only the process that creates it
/// crashes, so that one of several silos does, whichever comes there first. Nothing happens when the first variable is not set.
/// </summary>
public static class CrashPoints
{
    private static readonly string? Name;
    private static readonly string? Once = Environment.GetEnvironmentVariable("OTRAIN_CRASH_ONCE");
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
        if (Name is null || Name != name || Interlocked.Decrement(ref _left) != 0 || !IsFirst(name)) return;
        using var self = System.Diagnostics.Process.GetCurrentProcess();
        self.Kill();
        Thread.Sleep(Timeout.Infinite);
    }

    // The file says who crashed where.
    private static bool IsFirst(string name)
    {
        if (Once is null) return true;
        try
        {
            using var marker = new StreamWriter(new FileStream(Once, FileMode.CreateNew));
            marker.WriteLine($"{name} {Environment.ProcessId}");
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }
}
