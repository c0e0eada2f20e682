using EhrGrains.Contracts;
using EhrGrains.Contracts.Tenants;

namespace EhrGrains.Grains.Tenants;

/// <summary>Which moves of a tenant's lifecycle are allowed. Pure.</summary>
internal static class LifecycleRules
{
    /// <summary>Why a tenant may not move; null when it may.</summary>
    internal static Problem? Check(Lifecycle from, Lifecycle to, Lifecycle suspendedFrom, bool hasActiveCredential)
    {
        if (!Enum.IsDefined(to))
        {
            return new("EHR-TEN-070", "lifecycle", "The lifecycle is draft, sandbox, uat, live, suspended or offboarded.");
        }

        if (from == Lifecycle.Offboarded)
        {
            return new("EHR-TEN-071", "lifecycle", "The tenant is offboarded, which cannot be undone. Register it under a new id.");
        }

        var allowed = to switch
        {
            Lifecycle.Suspended or Lifecycle.Offboarded => true,
            _ when from == Lifecycle.Suspended => to == Lifecycle.Draft || to == suspendedFrom,
            _ => to > from,
        };
        if (!allowed)
        {
            return new(
                "EHR-TEN-072", "lifecycle",
                from == Lifecycle.Suspended
                    ? "A suspended tenant goes back to where it was, or to draft."
                    : "A tenant goes forward only: draft, sandbox, uat, live. To go back, suspend it and make it draft.");
        }

        return to is Lifecycle.Sandbox or Lifecycle.Uat or Lifecycle.Live && !hasActiveCredential
            ? new("EHR-TEN-073", "lifecycle", "The tenant has no active credential. Add one and activate it first.")
            : null;
    }
}
