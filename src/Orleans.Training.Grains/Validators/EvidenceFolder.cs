using System.Collections.Immutable;
using System.Globalization;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Validators;

/// <summary>
/// The proofs of faults that an organisation holds, found by itself or put there by people: one file for each, <c>NAME.evidence</c>, until they are taken away. The ledger is told of those that are about its seats
/// (<see cref="EraWorker"/>), also after a restart.
/// </summary>
public sealed class EvidenceFolder
{
    /// <summary>Files that are kept: every seat of many eras. More are not looked at.</summary>
    public const int MostFiles = 1024;

    private const string Suffix = ".evidence";
    private readonly string _folder;
    private readonly Lock _lock = new();
    private volatile ImmutableSortedDictionary<string, FaultProof> _proofs;

    /// <summary>Opens the folder, which need not exist. Files that are no proof are left alone.</summary>
    public EvidenceFolder(string folder)
    {
        _folder = folder;
        var found = ImmutableSortedDictionary.CreateBuilder<string, FaultProof>(StringComparer.Ordinal);
        if (Directory.Exists(folder))
        {
            foreach (var file in Directory.EnumerateFiles(folder, "*" + Suffix).Order(StringComparer.Ordinal).Take(MostFiles))
            {
                if (new FileInfo(file).Length <= FaultProof.MaximumBytes && FaultProof.TryParse(File.ReadAllBytes(file), out var proof) && proof!.Check() is not FaultKind.None) found.Add(Path.GetFileNameWithoutExtension(file), proof);
            }
        }

        _proofs = found.ToImmutable();
    }

    /// <summary>All proofs by name, in order of their names.</summary>
    public ImmutableSortedDictionary<string, FaultProof> Proofs => _proofs;

    /// <summary>Keeps a proof, durably before it returns. A second one about the same key and era is not kept: one is enough.</summary>
    /// <returns>The file, or null when there are <see cref="MostFiles"/> already.</returns>
    /// <exception cref="IOException">It cannot be written; it is held in memory until this process ends.</exception>
    public string? Keep(Evidence evidence)
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"{evidence.First.Vote.Era:D6}-{evidence.Key.Id}");
        var path = Path.Combine(_folder, name + Suffix);
        lock (_lock)
        {
            if (!_proofs.ContainsKey(name))
            {
                if (_proofs.Count >= MostFiles) return null;
                _proofs = _proofs.Add(name, evidence);
            }
            else if (File.Exists(path)) return path;

            DurableFiles.CreateFolder(_folder);
            DurableFiles.Write(path, evidence.Encode());
        }

        return path;
    }
}
