namespace Orleans.Training.Grains;

/// <summary>Tells a full disk from other failures: it is nobody's fault, and everything is well again when there is space.</summary>
public static class DiskSpace
{
    // ENOSPC; EDQUOT of Linux; ERROR_DISK_FULL.
    private const int NoSpace = 28, NoQuota = 122, Full = unchecked((int)0x80070070);

    /// <summary>Whether something failed for want of space.</summary>
    public static bool IsMissing(Exception exception) => exception.GetBaseException() is IOException { HResult: NoSpace or NoQuota or Full };
}
