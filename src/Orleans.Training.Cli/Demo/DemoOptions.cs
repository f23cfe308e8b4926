namespace Orleans.Training.Cli.Demo;

/// <summary>How a demonstration differs from its plan.</summary>
/// <param name="ProximalMicro">μ of FedProx in millionths; 0 for federated averaging.</param>
/// <param name="IsNormalised">Whether updates are normalised by their steps (FedNova).</param>
/// <param name="IsControlled">Whether steps are corrected by control variates (SCAFFOLD).</param>
/// <param name="IsSkewed">Whether data are divided by their classes, where the plan divides them.</param>
/// <param name="RowNoise">σ of the noise on gradients of single rows, in clips; 0 for none.</param>
/// <param name="IsProjected">Whether seats check a sum by images of its updates.</param>
/// <param name="IsHybrid">Whether the secrets under masks are of X25519 and ML-KEM-768 together.</param>
/// <param name="Groups">Groups and rule; null for one sum of all.</param>
/// <param name="Rounds">Rounds in place of the plan's.</param>
/// <param name="Noise">Noise under a budget; null for none.</param>
internal sealed record DemoOptions(int ProximalMicro = 0, bool IsNormalised = false, bool IsControlled = false, bool IsSkewed = false, double RowNoise = 0, bool IsProjected = false, bool IsHybrid = false, DemoGroups? Groups = null, int? Rounds = null, DemoNoise? Noise = null);
