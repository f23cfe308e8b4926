using System.Globalization;
using System.Runtime.InteropServices;
using Orleans.Training.Protocol;

namespace Orleans.Training.Grains.Participants;

/// <summary>
/// A participant's control variates in a SCAFFOLD run, one file for each attempt that it has trained: what its variate is if that attempt's sum has its update. SHA-256 of the rest, then little-endian binary32 numbers.
/// They say as much of its data as its gradients do, and lie beside its keys, where nobody else's process looks.
/// </summary>
public sealed class VariateFiles(string folder)
{
    /// <summary>Keeps the variate of an attempt, durably: before the update is committed.</summary>
    public void Write(int round, int attempt, ReadOnlySpan<float> variate)
    {
        DurableFiles.CreateFolder(folder);
        var bytes = new byte[Digest.Size + (sizeof(float) * variate.Length)];
        // Every platform that libtorch runs on is little-endian.
        MemoryMarshal.AsBytes(variate).CopyTo(bytes.AsSpan(Digest.Size));
        Digest.Of(bytes.AsSpan(Digest.Size)).CopyTo(bytes);
        DurableFiles.Write(PathOf(round, attempt), bytes);
    }

    /// <summary>The variate of an attempt; null when it is not here, or not what was written.</summary>
    public float[]? Find(int round, int attempt, int length)
    {
        var path = PathOf(round, attempt);
        if (!File.Exists(path)) return null;
        var bytes = File.ReadAllBytes(path);
        if (bytes.Length != Digest.Size + (sizeof(float) * (long)length) || Digest.Of(bytes.AsSpan(Digest.Size)) != Digest.From(bytes.AsSpan(0, Digest.Size))) return null;
        return MemoryMarshal.Cast<byte, float>(bytes.AsSpan(Digest.Size)).ToArray();
    }

    /// <summary>Deletes what is of rounds before one, but for the attempt that counts.</summary>
    public void Clear(int before, (int Round, int Attempt)? but)
    {
        if (!Directory.Exists(folder)) return;
        foreach (var path in Directory.EnumerateFiles(folder))
        {
            var name = Path.GetFileName(path);
            var isOld = int.TryParse(name.Split('-')[0], NumberStyles.None, CultureInfo.InvariantCulture, out var round) && round < before;
            if (isOld && (but is not { } kept || path != PathOf(kept.Round, kept.Attempt))) File.Delete(path);
        }
    }

    private string PathOf(int round, int attempt) => Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"{round:D6}-{attempt}"));
}
