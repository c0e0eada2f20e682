namespace EhrGrains.Contracts;

/// <summary>
/// A secret on its way to the grain that seals it (a client secret that the hospital issued, or one that we show once).
/// Prints as <c>***</c> and has no JSON form, so that it cannot be logged or echoed by accident.
/// </summary>
[GenerateSerializer, Immutable, Alias("ehr.SecretText")]
public readonly struct SecretText(string value)
{
    [Id(0)]
    private readonly string value = value;

    /// <summary>The secret in clear; call it only where the secret is used.</summary>
    public string Reveal() => value;

    /// <inheritdoc/>
    public override string ToString() => "***";
}
